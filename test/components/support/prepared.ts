/** Outputs of the provider's resources, as a run against a healthy machine gives them. */
import type { Prepared } from "./recorder.ts";

/** Values that must never be seen outside a secret. */
export const secrets = {
  serverToken: "server-token-5e7a",
  agentToken: "agent-token-91c2",
  authKey: "hskey-auth-44d0",
  kubeconfig: "apiVersion: v1 # admin-kubeconfig-b38f",
  offeredKey: "admin-key-6c1d",
} as const;

/** What a machine of a cloud gives away to those who may read it. */
export const machineSecrets = {
  privateKey: "-----BEGIN RSA PRIVATE KEY-----\nc2f1\n-----END RSA PRIVATE KEY-----\n",
  loginKey: "tskey-auth-87be",
  bucketSecret: "bucket-secret-0d6e",
} as const;

/** The admin's, as another stack made it: its proxy is on the machine that ran that one. */
const offeredKubeconfig = `apiVersion: v1
clusters:
  - name: prod
    cluster: { server: "https://prod-server-1.tail0a1b2c.ts.net:6443", proxy-url: "http://127.0.0.1:39999" }
users:
  - name: prod
    user: { client-key-data: ${secrets.offeredKey} }
`;

const text = (value: unknown): string => String(value);
const subnets: Readonly<Record<string, string>> = {
  wan: "10.90.0.0/24",
  cloud: "10.90.1.0/24",
  home: "10.90.2.0/24",
};
const nothing = (): Record<string, unknown> => ({});

/** What a stack with servers offers to agents of another one. */
export const offeredJoin = {
  version: 1,
  clusterName: "prod",
  site: "eu-central-1",
  k3sVersion: "v1.35.1+k3s1",
  podCidr: null,
  hardening: {
    podSecurity: { enforce: "restricted", exemptNamespaces: ["kube-system"] },
    auditLog: { maxAgeDays: 30, maxBackups: 10, maxSizeMiB: 100 },
  },
  servers: [1, 2, 3].map((n) => ({
    name: `server-${n}`,
    fullyQualifiedName: `prod-server-${n}.tail0a1b2c.ts.net`,
    apiUrl: `https://prod-server-${n}.tail0a1b2c.ts.net:6443`,
  })),
  nodeNames: ["server-1", "server-2", "server-3"],
  tailnet: { kind: "tailscale", domain: "tail0a1b2c.ts.net" },
  agentToken: secrets.agentToken,
  kubeconfig: offeredKubeconfig,
} as const;

export const prepared: Prepared = {
  "pulumi:pulumi:readStackOutputs": () => ({}),
  "pulumi:pulumi:StackReference": () => ({
    outputs: { clusterName: offeredJoin.clusterName, join: offeredJoin },
    secretOutputNames: ["join"],
  }),
  "homespan:index:ClusterIdentity": () => ({
    clusterId: "3b1f",
    createdAt: "2026-11-21T12:00:00.000Z",
    initialised: false,
    serverToken: secrets.serverToken,
    agentToken: secrets.agentToken,
  }),
  "homespan:index:ClusterAnchor": nothing,
  "homespan:index:PodmanService": ({ socketDirectory }) => ({
    socketPath: `${text(socketDirectory)}/podman.sock`,
    pid: 4711,
  }),
  "homespan:index:SiteNetwork": ({ clusterName, site }) => ({
    networkName: `homespan-${text(clusterName)}-${text(site)}`,
    subnet: subnets[text(site)],
    gateway: subnets[text(site)]?.replace(/0\/24$/, "1"),
    ruleInPlace: true,
  }),
  "homespan:index:HeadscaleServer": ({ clusterName, hostName }) => ({
    container: `homespan-${text(clusterName)}-headscale`,
    volume: `homespan-${text(clusterName)}-headscale-data`,
    url: `https://${text(hostName)}`,
    caCertificate: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    running: true,
  }),
  "homespan:index:RegistryServer": ({ clusterName, address }) => ({
    container: `homespan-${text(clusterName)}-registry`,
    volume: `homespan-${text(clusterName)}-registry-data`,
    endpoint: `http://${text(address)}:5000`,
    running: true,
  }),
  "homespan:index:HeadscaleUser": () => ({ userId: "3", made: true }),
  "homespan:index:HeadscalePolicy": () => ({ found: "0f" }),
  "homespan:index:HeadscaleKey": () => ({ keyId: "7", key: secrets.authKey }),
  "homespan:index:StewardVolume": ({ clusterName, nodeName }) => ({
    volumeName: `homespan-${text(clusterName)}-${text(nodeName)}-data`,
    volumeId: `volume-of-${text(nodeName)}`,
  }),
  "homespan:index:StewardNode": ({ clusterName, nodeName }) => ({
    podName: `homespan-${text(clusterName)}-${text(nodeName)}`,
    transport: { kind: "podman", container: `homespan-${text(clusterName)}-${text(nodeName)}-steward` },
    running: true,
  }),
  "homespan:index:StewardLogin": nothing,
  "homespan:index:SshKey": ({ clusterName }) => ({
    publicKey: `ssh-rsa AAAA homespan-${text(clusterName)}`,
    privateKey: machineSecrets.privateKey,
  }),
  "homespan:index:TailnetPolicyOrigin": () => ({ own: false }),
  "homespan:index:TailnetDevice": ({ identity }) => ({
    generation: `g${text(identity).length}`,
    createdAt: "2026-11-21T12:00:00.000Z",
    found: false,
  }),
  "homespan:index:ExistingMachine": ({ nodeName }) => ({
    knownHostKey: "ssh-ed25519 AAAA",
    identity: `mark-of-${text(nodeName)}`,
    machineId: "machine-1",
    sshPorts: [2022],
    reachable: true,
  }),
  "homespan:index:InstalledMachine": ({ nodeName }) => ({
    knownHostKey: "ssh-ed25519 AAAA",
    identity: `mark-of-${text(nodeName)}`,
    machineId: "installation-1",
    reachable: true,
  }),
  "homespan:index:LimaMac": ({ place, privateKey }) => ({
    connection:
      (place as { kind: string }).kind === "local"
        ? place
        : { ...(place as object), privateKey, hostKey: "ssh-ed25519 BBBB" },
    vmType: "vz",
    reachable: true,
  }),
  "homespan:index:LimaDisk": ({ nodeName }) => ({ identity: `disk-of-${text(nodeName)}` }),
  "homespan:index:LimaVm": ({ nodeName }) => ({
    machineId: `vm-of-${text(nodeName)}`,
    running: true,
    reachable: true,
  }),
  "homespan:index:MachineBoot": ({ address, port, user, privateKey, via }) => ({
    hostKey: "ssh-ed25519 AAAA",
    transport: {
      ...{ kind: "ssh", address, port, user, privateKey, hostKey: "ssh-ed25519 AAAA" },
      ...(via === undefined ? {} : { via }),
    },
    checksums: {},
    foundRevision: "",
    reachable: true,
  }),
  "homespan:index:TailnetOperator": ({ clusterName }) => ({
    proxyUrl: "http://127.0.0.1:41080",
    directory: `/state/operators/${text(clusterName)}`,
    deviceId: "n7",
    running: true,
  }),
  "homespan:index:NodeConfig": () => ({ checksums: {} }),
  "homespan:index:Kubeconfig": () => ({
    endpoint: "https://127.0.0.1:6443",
    kubeconfig: secrets.kubeconfig,
  }),
  "homespan:index:Membership": ({ labels }) => ({
    ready: true,
    foundLabels: labels,
    tailnetAddress: "100.64.0.1",
    deviceId: "1",
    nodeUid: "f00d",
  }),
  "pulumi:providers:kubernetes": nothing,
  "kubernetes:core/v1:Namespace": nothing,
  "kubernetes:core/v1:Service": nothing,
  "kubernetes:apps/v1:Deployment": nothing,
  "pulumi:providers:aws": nothing,
  "aws:lightsail/keyPair:KeyPair": nothing,
  "aws:lightsail/instance:Instance": ({ name }) => ({ arn: `arn:instance/${text(name)}` }),
  "aws:lightsail/staticIp:StaticIp": ({ name }) => ({
    arn: `arn:address/${text(name)}`,
    ipAddress: `198.51.100.${String(10 + (Number(/-(\d+)-address$/.exec(text(name))?.[1]) || 0))}`,
  }),
  "aws:lightsail/staticIpAttachment:StaticIpAttachment": nothing,
  "aws:lightsail/instancePublicPorts:InstancePublicPorts": nothing,
  "aws:lightsail/disk:Disk": ({ name }) => ({ arn: `arn:disk/${text(name)}` }),
  "aws:lightsail/disk_attachment:Disk_attachment": nothing,
  "aws:lightsail/bucket:Bucket": ({ name }) => ({ arn: `arn:bucket/${text(name)}` }),
  "aws:lightsail/bucketAccessKey:BucketAccessKey": () => ({
    accessKeyId: "AKIA0EXAMPLE",
    secretAccessKey: machineSecrets.bucketSecret,
  }),
  "homespan:index:VmImage": ({ sha256 }) => ({ path: `/cache/${text(sha256)}.img`, bytes: 1, present: true }),
  // As it was when the machine was made, by another version of Homespan.
  "homespan:index:FirstConfiguration": ({ keepers }) => ({ config: `kept for ${text(keepers)}` }),
  "homespan:index:VmPlace": ({ uri, name }) => ({ id: `${String(uri)}#${String(name)}` }),
  "homespan:index:VolumeIdentity": ({ volume }) => ({ identity: `identity-of-${text(volume)}` }),
  "pulumi:providers:libvirt": nothing,
  "libvirt:index/volume:Volume": nothing,
  "libvirt:index/ignition:Ignition": nothing,
  "libvirt:index/domain:Domain": nothing,
  "pulumi:providers:tailscale": nothing,
  "tailscale:index/acl:Acl": nothing,
  "tailscale:index/dnsPreferences:DnsPreferences": nothing,
  "tailscale:index/tailnetKey:TailnetKey": () => ({ key: machineSecrets.loginKey }),
};
