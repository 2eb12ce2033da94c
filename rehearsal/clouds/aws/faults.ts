/** Which calls of Lightsail's API the plugin makes, and which faults each can be told to meet. */

/** Names of the API's calls. https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_Operations.html */
export const awsOperations = [
  ...(["CreateInstances", "GetInstance", "GetInstanceState", "DeleteInstance"] as const),
  ...(["EnableAddOn", "DisableAddOn", "SetIpAddressType", "TagResource"] as const),
  ...(["PutInstancePublicPorts", "GetInstancePortStates", "CloseInstancePublicPorts"] as const),
  ...(["AllocateStaticIp", "GetStaticIp", "AttachStaticIp", "DetachStaticIp", "ReleaseStaticIp"] as const),
  ...(["CreateDisk", "GetDisk", "AttachDisk", "DetachDisk", "DeleteDisk"] as const),
  ...(["ImportKeyPair", "CreateKeyPair", "GetKeyPair", "DeleteKeyPair"] as const),
  ...(["CreateBucket", "GetBuckets", "UpdateBucketBundle", "DeleteBucket"] as const),
  ...(["CreateBucketAccessKey", "GetBucketAccessKeys", "DeleteBucketAccessKey"] as const),
] as const;
export type AwsOperation = (typeof awsOperations)[number];

/** Faults that are no errors of the service: what one call can meet beside those. */
export type FaultKind = "half-created";

/** Errors that AWS's SDK tries again. https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html */
export const throttling: readonly string[] = [
  "Throttling",
  "ThrottlingException",
  "ThrottledException",
  "RequestThrottled",
  "RequestThrottledException",
  "RequestLimitExceeded",
  "TooManyRequestsException",
  "BandwidthLimitExceeded",
  "SlowDown",
];

/** What the service says beside the name of an error it was told to give. */
export const faultMessages: Readonly<Record<string, string>> = {
  InsufficientInstanceCapacity:
    "We currently do not have sufficient capacity in the Availability Zone you requested. Try again later, or in another zone.",
  ServiceException: "An error occurred while processing your request. Try again later.",
};

/** The API's own errors. https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/CommonErrors.html */
const errors = [
  "AccessDeniedException",
  "AccountSetupInProgressException",
  "InvalidInputException",
  "NotFoundException",
  "OperationFailureException",
  "RegionSetupInProgressException",
  "UnauthenticatedException",
];

/** Every fault that a call can be told to meet. */
export function awsFaults(operation: AwsOperation): readonly string[] {
  const kinds = operation === "CreateInstances" ? (["half-created"] satisfies FaultKind[]) : [];
  return ["timeout", ...kinds, ...Object.keys(faultMessages), ...errors, ...throttling];
}
