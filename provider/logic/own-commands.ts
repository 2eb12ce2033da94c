/** Commands of this project as messages name them. Without the stack's name they would be about the ci stack. */

/** @param stack - its name, where the call tells it */
export function recreateCommand(nodeName: string, stack = "STACK"): string {
  return `./homespan recreate ${stack} --node ${nodeName}`;
}

/** {@link recreateCommand}, of what a machine is installed with. */
export function ignitionCommand(nodeName: string, stack = "STACK"): string {
  return `./homespan ignition ${nodeName} ${stack}`;
}
