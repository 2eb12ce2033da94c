/** The version of Pulumi's aws plugin that is stood in for: that of @pulumi/aws in package.json. */
export const VERSION = "7.48.0";
