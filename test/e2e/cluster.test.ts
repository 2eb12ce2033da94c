import { clusterSuite } from "./suites/cluster.ts";

clusterSuite(2);
