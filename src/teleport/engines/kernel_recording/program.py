"""The program that bpftrace puts into the kernel, and what it prints.

It knows a session by the cgroup its first process enters. From there the mark is handed on by fork, thread by
thread, so that leaving the cgroup, becoming another user or ending the first thread loses nothing. Arguments are
read from the new process's own memory once it runs, not from what its caller may still change. Each line is one of

    C session pid parent length path     a program was executed; then A pid offset bytes, until length is reached
    F session pid result path            executing a program failed
    X session pid status name            a process ended (a wait status)
    D session pid flags result path      a file was opened, or was not
    N session pid result address         connect() or sendto() with an address (a sockaddr)
    T                                    a tenth of a second has passed
"""

from __future__ import annotations

TEXT_SIZE = 200
"""The most that bpftrace reads at once."""
ARGUMENT_PIECES = 6
MAX_ARGUMENTS = TEXT_SIZE * ARGUMENT_PIECES
ADDRESS_SIZE = 28
DISK_PREFIX = "disk-"
"""How the cgroup is called of a session whose files are watched too."""
MAX_TASKS = 65536

_PROGRAM = """
BEGIN { printf("R"); }
tracepoint:cgroup:cgroup_attach_task
/args->dst_level == LEVEL && strncmp("ROOT/", str(args->dst_path), ROOT_SIZE) == 0/ {
  if (!@session[args->pid]) {
    @session[args->pid] = args->dst_id;
    if (strncmp("ROOT/disk-", str(args->dst_path), DISK_SIZE) == 0) { @disk[args->pid] = args->dst_id; }
  }
}
tracepoint:sched:sched_process_fork /@session[tid]/ {
  @session[args->child_pid] = @session[tid];
  if (@disk[tid]) { @disk[args->child_pid] = @disk[tid]; }
}
tracepoint:sched:sched_process_exec /@session[args->old_pid]/ {
  if (args->pid != args->old_pid) {
    @session[args->pid] = @session[args->old_pid];
    delete(@session[args->old_pid]);
    if (@disk[args->old_pid]) { @disk[args->pid] = @disk[args->old_pid]; delete(@disk[args->old_pid]); }
  }
  $start = curtask->mm->arg_start;
  $size = (int64)(curtask->mm->arg_end - curtask->mm->arg_start);
  printf("C %llu %d %d %d %s", @session[args->pid], pid, curtask->real_parent->tgid, $size, str(args->filename));
  $at = (int64)0;
  unroll(PIECES) {
    if ($at < $size) { printf("A %d %d %rx", pid, $at, buf(uptr($start + (uint64)$at), $size - $at)); }
    $at += 200;
  }
}
tracepoint:syscalls:sys_enter_execve, tracepoint:syscalls:sys_enter_execveat /@session[tid]/ {
  @program[tid] = args->filename;
}
tracepoint:syscalls:sys_exit_execve, tracepoint:syscalls:sys_exit_execveat /@program[tid]/ {
  if (args->ret < (int64)0) {
    printf("F %llu %d %d %s", @session[tid], pid, args->ret, str(uptr(@program[tid])));
  }
  delete(@program[tid]);
}
tracepoint:sched:sched_process_exit /@session[tid]/ {
  if (tid == pid) { printf("X %llu %d %d %s", @session[tid], pid, curtask->exit_code, comm); }
  delete(@session[tid]);
  if (@disk[tid]) { delete(@disk[tid]); }
}
tracepoint:syscalls:sys_enter_open, tracepoint:syscalls:sys_enter_openat /@disk[tid]/ {
  @path[tid] = args->filename; @flags[tid] = (uint64)args->flags;
}
tracepoint:syscalls:sys_enter_creat /@disk[tid]/ { @path[tid] = args->pathname; @flags[tid] = (uint64)577; }
tracepoint:syscalls:sys_enter_openat2 /@disk[tid]/ {
  @path[tid] = args->filename; @flags[tid] = (uint64)args->how->flags;
}
tracepoint:syscalls:sys_exit_open, tracepoint:syscalls:sys_exit_openat, tracepoint:syscalls:sys_exit_openat2,
tracepoint:syscalls:sys_exit_creat /@path[tid]/ {
  printf("D %llu %d %llu %d %s", @disk[tid], pid, @flags[tid], args->ret, str(uptr(@path[tid])));
  delete(@path[tid]); delete(@flags[tid]);
}
tracepoint:syscalls:sys_enter_connect /@session[tid]/ { @address[tid] = args->uservaddr; }
tracepoint:syscalls:sys_enter_sendto /@session[tid] && args->addr != 0/ { @address[tid] = args->addr; }
tracepoint:syscalls:sys_exit_connect, tracepoint:syscalls:sys_exit_sendto /@address[tid]/ {
  printf("N %llu %d %d %rx", @session[tid], pid, args->ret, buf(uptr(@address[tid]), 28));
  delete(@address[tid]);
}
interval:ms:100 { printf("T"); }
END { clear(@session); clear(@disk); clear(@program); clear(@path); clear(@flags); clear(@address); }
"""


def program_for(root: str) -> str:
    """For sessions whose cgroups lie right below `root`, a path inside the cgroup file system."""
    words = {
        "ROOT_SIZE": str(len(root) + 1),
        "DISK_SIZE": str(len(root) + 1 + len(DISK_PREFIX)),
        "LEVEL": str(root.count("/") + 1),
        "PIECES": str(ARGUMENT_PIECES),
        "ROOT": root,
    }
    text = _PROGRAM
    for word, value in words.items():
        text = text.replace(word, value)
    return text
