/** The rehearsed lightsail stack at a Headscale that its user runs. */
import { rehearsalHeadscaleSuite } from "../e2e/suites/rehearsal-headscale.ts";

rehearsalHeadscaleSuite();
