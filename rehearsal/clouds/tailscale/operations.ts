/** What the rehearsed API can be asked, as faults name it: the method, and what it is about inside the tailnet. */
export const tailscaleOperations = [
  ...["POST keys", "GET keys", "DELETE keys"],
  ...["GET devices", "GET device", "DELETE device"],
  ...["GET acl", "POST acl", "POST acl/validate"],
  ...["GET dns/preferences", "POST dns/preferences"],
];

/** The statuses a call can be told to be answered with. https://tailscale.com/api */
export const tailscaleFaults = ["400", "401", "403", "404", "409", "412", "429", "500", "502", "503", "504"];
