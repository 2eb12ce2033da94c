/** The first of three servers is made again five times. */
import { etcdSuite } from "../e2e/suites/etcd.ts";

etcdSuite(5);
