/** The rehearsed lightsail stack in a cloud that fails: throttling, no capacity, lost answers, half an instance, cut networks. */
import { rehearsalFaults } from "../e2e/suites/rehearsal-faults.ts";

rehearsalFaults();
