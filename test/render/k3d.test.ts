import { expect, test } from "vitest";
import { k3dEnvironment, k3dMachineArguments } from "../../components/render/k3d.ts";

test("k3d finds Podman's socket, and mounts the same one", () => {
  expect(k3dEnvironment({ runtimeDirectory: "/run" })).toEqual({
    DOCKER_HOST: "unix:///run/podman/podman.sock",
    DOCKER_SOCK: "/run/podman/podman.sock",
  });
  expect(k3dEnvironment({ runtimeDirectory: "/run/user/1000" }).DOCKER_SOCK).toBe(
    "/run/user/1000/podman/podman.sock",
  );
});

test("kubelet is told of what the machine is, and of nothing else", () => {
  expect(k3dMachineArguments({ rootless: false, cgroupV1: false })).toEqual([]);
  expect(k3dMachineArguments({ rootless: true, cgroupV1: false })).toEqual([
    "--k3s-arg",
    "--kubelet-arg=feature-gates=KubeletInUserNamespace=true@all:*",
  ]);
  expect(k3dMachineArguments({ rootless: false, cgroupV1: true })).toEqual([
    "--k3s-arg",
    "--kubelet-arg=fail-cgroupv1=false@all:*",
  ]);
});
