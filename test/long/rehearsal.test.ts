/** The rehearsed lightsail stack: `up` killed ten times, every server lost in turn, one server grown to three. */
import { rehearsalTrials } from "../e2e/suites/rehearsal-trials.ts";

rehearsalTrials(10);
