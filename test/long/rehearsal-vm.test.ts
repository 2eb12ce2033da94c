/**
 * The rehearsed lightsail stack with an agent in a virtual machine on a real libvirt and two on a rehearsed Mac. Without KVM it
 * takes about half an hour. Run: ./homespan test --long rehearsal-vm
 */
import { rehearsalVmSuite } from "../e2e/suites/rehearsal-vm.ts";

rehearsalVmSuite();
