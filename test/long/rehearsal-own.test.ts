/** A homelab cluster of its own, all of it in virtual machines on a real libvirt. Run: ./homespan test --long rehearsal-own */
import { rehearsalOwnSuite } from "../e2e/suites/rehearsal-own.ts";

rehearsalOwnSuite();
