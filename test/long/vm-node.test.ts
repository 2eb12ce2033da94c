/**
 * A node in a virtual machine joins a server on Podman over the tailnet, and is made anew on its data.
 * Run: ./homespan test --long vm-node
 */
import { vmSuite } from "../e2e/suites/vm.ts";

vmSuite();
