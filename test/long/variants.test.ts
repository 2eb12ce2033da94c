/** Variants of the rehearsed lightsail stack: the reference pair with ingress, an adopted policy, one that is kept elsewhere. */
import { rehearsalVariants } from "../e2e/suites/rehearsal-variants.ts";

rehearsalVariants();
