import { rehearsalSuite } from "./suites/rehearsal.ts";

rehearsalSuite();
