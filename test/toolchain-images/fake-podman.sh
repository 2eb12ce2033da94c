#!/bin/sh
# Keeps a store of images as Podman would: one file per image, named by a counter, with its name and recipe inside.
set -eu
store=$FAKE_STORE
echo "$*" >>"$store/calls"
name='' recipe='' output='' last=''
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
      read -r found label <"$file"
      printf '%s{"Id":"%s","Size":7,"Names":["%s"],"Labels":{"homespan.recipe":"%s"}}' \
        "$separator" "$(basename "$file")" "$found" "$label"
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
  *) exit 0 ;;
esac
for file in "$store"/image-*; do
  if [ -e "$file" ] && grep -q "^$name " "$file"; then mv "$file" "$store/nameless-${file##*/image-}"; fi
done
number=$(wc -l <"$store/calls")
echo "$name $recipe" >"$store/image-$number"
