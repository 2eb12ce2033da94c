/** A key for SSH that is worth nothing outside a rehearsal or a test. */
import ssh2 from "ssh2";

/** In OpenSSH's format, as ssh2 and OpenSSH read it. */
export interface SshKeyPair {
  readonly private: string;
  readonly public: string;
}

/** Of the keys that ssh2 1.17 makes, one in five hundred is malformed, and neither ssh2 nor OpenSSH reads it. */
export function ed25519KeyPair(comment = ""): SshKeyPair {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment });
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}
