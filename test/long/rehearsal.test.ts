/** The rehearsed lightsail stack: ten kills on the way to three servers, and all three replaced in one run. */
import { rehearsalTrials } from "../e2e/suites/rehearsal-trials.ts";

rehearsalTrials(10);
