#!/bin/sh
cat >/etc/ssh/lightsail_instance_ca.pub <<'EOT'
ssh-ed25519 AAAAC3Nza lightsail
EOT
cat >>/etc/ssh/sshd_config <<'EOT'

TrustedUserCAKeys /etc/ssh/lightsail_instance_ca.pub
CASignatureAlgorithms +ssh-rsa
EOT
systemctl restart ssh
#!/bin/sh
set -eu
echo "it is here" $1
