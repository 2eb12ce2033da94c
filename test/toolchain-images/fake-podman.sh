#!/bin/sh
# Keeps a store of images as Podman would: one file per image, named by a counter, with its name, its digest and its
# recipe inside. What a registry answers for every tag is FAKE_DIGEST.
set -eu
store=$FAKE_STORE

# is FILE NAME: without a program for each image, as it is asked often.
is() {
  [ -e "$1" ] || return 1
  read -r found _ <"$1"
  [ "$found" = "$2" ]
}

echo "$*" >>"$store/calls"
name='' recipe='' digest=sha256:built output='' last=''
for argument in "$@"; do
  case $argument in
    --tag=*) name=${argument#--tag=} ;;
    --label=homespan.recipe=*) recipe=${argument#--label=homespan.recipe=} ;;
    'LABEL homespan.recipe='*) recipe=${argument#LABEL homespan.recipe=} ;;
    --output=*) output=${argument#--output=} ;;
  esac
  last=$argument
done
case $1 in
  images)
    case $* in
      *dangling=true*)
        find "$store" -name 'nameless-*' | sed 's#.*/nameless-#image-#'
        exit 0
        ;;
    esac
    printf '['
    separator=''
    for file in "$store"/image-*; do
      [ -e "$file" ] || continue
      read -r found hash label <"$file"
      labels=''
      [ -z "$label" ] || labels="\"homespan.recipe\":\"$label\""
      printf '%s{"Id":"%s","Size":7,"Names":["%s"],"Digest":"%s","Labels":{%s}}' \
        "$separator" "${file##*/}" "$found" "$hash" "$labels"
      separator=','
    done
    printf ']'
    exit 0
    ;;
  build)
    find "$last" -type f | sed "s#^$last/##" | sort >"$store/context-$(echo "$name" | tr '/:' '--')"
    ;;
  import) name=$last ;;
  save)
    echo archive >"$output"
    exit 0
    ;;
  pull)
    name=$last
    digest=${FAKE_DIGEST:-sha256:first}
    case $name in *@*) digest=${name#*@} ;; esac
    ;;
  tag)
    name=$last
    digest=${2#*@}
    ;;
  rmi)
    for file in "$store"/image-*; do
      if is "$file" "$last"; then rm "$file"; fi
    done
    exit 0
    ;;
  *) exit 0 ;;
esac
for file in "$store"/image-*; do
  if is "$file" "$name"; then mv "$file" "$store/nameless-${file##*/image-}"; fi
done
number=$(wc -l <"$store/calls")
echo "$name $digest $recipe" >"$store/image-$number"
