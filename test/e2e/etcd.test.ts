import { etcdSuite } from "./suites/etcd.ts";

etcdSuite(1);
