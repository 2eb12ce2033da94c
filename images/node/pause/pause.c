/*
 * The process that holds a pod's namespaces open: sleeps, reaps children that were orphaned inside the pod, and leaves
 * on SIGINT or SIGTERM. Built with `cc -static`, because its image has nothing else in it.
 */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int signal_number) {
  (void)signal_number;
  _exit(0);
}

static void reap(int signal_number) {
  (void)signal_number;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

static int handle(int signal_number, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  return sigaction(signal_number, &action, NULL);
}

int main(void) {
  if (handle(SIGINT, leave, 0) != 0 || handle(SIGTERM, leave, 0) != 0 || handle(SIGCHLD, reap, SA_NOCLDSTOP) != 0) {
    return 1;
  }
  for (;;) {
    pause();
  }
}
