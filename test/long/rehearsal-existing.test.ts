/** The rehearsed lightsail stack, joined by a machine that no cloud made and that is left as it was found. */
import { rehearsalExistingSuite } from "../e2e/suites/rehearsal-existing.ts";

rehearsalExistingSuite();
