/** The rehearsed lightsail stack with agents on a rehearsed Mac, changed and hurt there. */
import { rehearsalHomeSuite } from "../e2e/suites/rehearsal-home.ts";

rehearsalHomeSuite();
