/** All end-to-end steps with `podNetwork: routes`. */
import { clusterSuite } from "../e2e/suites/cluster.ts";

clusterSuite(1, "routes");
