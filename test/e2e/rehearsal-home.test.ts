import { rehearsalHomeSuite } from "./suites/rehearsal-home.ts";

rehearsalHomeSuite();
