/** All end-to-end steps, with an agent that loses its volume five times. */
import { clusterSuite } from "../e2e/suites/cluster.ts";

clusterSuite(5);
