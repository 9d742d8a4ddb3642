"""The program that bpftrace puts into the kernel, and what it prints.

It knows a session by the cgroup its first process enters. From there the mark is handed on by fork, thread by
thread, so that leaving the cgroup, becoming another user or ending the first thread loses nothing. Arguments are
read from the new process's own memory once it runs, not from what its caller may still change. Every line tells when
it happened, in nanoseconds of the monotonic clock, because processors are read one after the other:

    C at session pid parent length path    a program was executed; then A at pid offset bytes, until length is reached
    F at session pid result path           executing a program failed
    X at session pid status name           the last thread of a process ended (a wait status)
    D at session pid flags result path     a file was opened, or was not
    N at session pid result peer own own6  connect() or a message to an address: a sockaddr, and where from
    O at session pid request flags path    a file is to be opened through io_uring
    M at session pid request peer          connect() or a message to an address, through io_uring
    Z at request result                    what came of the O or M of that time; may come before it, or never
    U at session pid                       a thread that cannot be marked: there are too many
    R                                      all of this is watched from here on
    T at                                   a tenth of a second has passed
    P                                      a processor works: with this comes how much it had no room for

At SIGUSR1 bpftrace shows its maps, of which `@session` has every thread of every session.
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
MAX_MESSAGES = 1024
"""The kernel sends no more by one sendmmsg()."""

# A mark is twice the cgroup's number, and one more where files are watched. `@at` holds what a system call was given
# until it is done.
_PROGRAM = """
BEGIN { printf("R"); }
tracepoint:cgroup:cgroup_attach_task
/args->dst_level == LEVEL && strncmp("ROOT/", str(args->dst_path), ROOT_SIZE) == 0/ {
  if (!@session[args->pid]) {
    @session[args->pid] = args->dst_id * 2;
    if (strncmp("ROOT/disk-", str(args->dst_path), DISK_SIZE) == 0) { @session[args->pid] = args->dst_id * 2 + 1; }
    if (!@session[args->pid]) { printf("U %llu %llu %d", nsecs, args->dst_id, args->pid); }
  }
}
tracepoint:sched:sched_process_fork /@session[tid]/ {
  @session[args->child_pid] = @session[tid];
  if (!@session[args->child_pid]) { printf("U %llu %llu %d", nsecs, @session[tid] / 2, args->child_pid); }
}
tracepoint:sched:sched_process_exec /@session[args->old_pid]/ {
  delete(@at[args->old_pid]);
  if (args->pid != args->old_pid) {
    @session[args->pid] = @session[args->old_pid];
    delete(@session[args->old_pid]);
  }
  $now = nsecs;
  $start = curtask->mm->arg_start;
  $size = (int64)(curtask->mm->arg_end - curtask->mm->arg_start);
  printf("C %llu %llu %d %d %d %s", $now, @session[args->pid] / 2, pid, curtask->real_parent->tgid, $size,
         str(args->filename));
  $at = (int64)0;
  unroll(PIECES) {
    if ($at < $size) { printf("A %llu %d %d %rx", $now, pid, $at, buf(uptr($start + (uint64)$at), $size - $at)); }
    $at += 200;
  }
}
tracepoint:syscalls:sys_enter_execve, tracepoint:syscalls:sys_enter_execveat /@session[tid]/ {
  @at[tid] = (uint64)args->filename;
}
tracepoint:syscalls:sys_exit_execve, tracepoint:syscalls:sys_exit_execveat /@at[tid]/ {
  if (args->ret < (int64)0) {
    printf("F %llu %llu %d %d %s", nsecs, @session[tid] / 2, pid, args->ret, str(uptr(@at[tid])));
  }
  delete(@at[tid]);
}
tracepoint:sched:sched_process_exit /@session[tid]/ {
  if (curtask->signal->live.counter == 0) {
    $code = curtask->group_leader->exit_code;
    if (curtask->signal->flags & 4) { $code = curtask->signal->group_exit_code; }
    printf("X %llu %llu %d %d %s", nsecs, @session[tid] / 2, pid, $code, comm);
  }
  delete(@session[tid]);
  delete(@at[tid]); delete(@flags[tid]); delete(@socket[tid]); delete(@messages[tid]);
}
tracepoint:syscalls:sys_enter_open, tracepoint:syscalls:sys_enter_openat /@session[tid] & 1/ {
  @at[tid] = (uint64)args->filename; @flags[tid] = (uint64)args->flags;
}
tracepoint:syscalls:sys_enter_creat /@session[tid] & 1/ {
  @at[tid] = (uint64)args->pathname; @flags[tid] = (uint64)577;
}
tracepoint:syscalls:sys_enter_openat2 /@session[tid] & 1/ {
  @at[tid] = (uint64)args->filename; @flags[tid] = (uint64)args->how->flags;
}
tracepoint:syscalls:sys_exit_open, tracepoint:syscalls:sys_exit_openat, tracepoint:syscalls:sys_exit_openat2,
tracepoint:syscalls:sys_exit_creat /@at[tid]/ {
  printf("D %llu %llu %d %llu %d %s", nsecs, @session[tid] / 2, pid, @flags[tid], args->ret, str(uptr(@at[tid])));
  delete(@at[tid]); delete(@flags[tid]);
}
tracepoint:syscalls:sys_enter_connect /@session[tid]/ {
  @at[tid] = (uint64)args->uservaddr; @socket[tid] = (uint64)args->fd;
}
tracepoint:syscalls:sys_enter_sendto /@session[tid] && args->addr != 0/ {
  @at[tid] = (uint64)args->addr; @socket[tid] = (uint64)args->fd;
}
tracepoint:syscalls:sys_enter_sendmsg /@session[tid] && args->msg->msg_name != 0/ {
  @at[tid] = (uint64)args->msg->msg_name; @socket[tid] = (uint64)args->fd;
}
tracepoint:syscalls:sys_exit_connect, tracepoint:syscalls:sys_exit_sendto, tracepoint:syscalls:sys_exit_sendmsg
/@at[tid]/ {
  $files = (uint64)curtask->files->fdt->fd;
  $file = (struct file *)*kptr((uint64 *)($files + @socket[tid] * 8));
  $own = ((struct socket *)$file->private_data)->sk;
  printf("N %llu %llu %d %d %rx %u %rx", nsecs, @session[tid] / 2, pid, args->ret, buf(uptr(@at[tid]), 28),
         $own->__sk_common.skc_rcv_saddr, buf($own->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8, 16));
  delete(@at[tid]); delete(@socket[tid]);
}
tracepoint:syscalls:sys_enter_sendmmsg /@session[tid]/ {
  @messages[tid] = (uint64)args->mmsg; @socket[tid] = (uint64)args->fd;
}
tracepoint:syscalls:sys_exit_sendmmsg /@messages[tid]/ {
  $files = (uint64)curtask->files->fdt->fd;
  $file = (struct file *)*kptr((uint64 *)($files + @socket[tid] * 8));
  $own = ((struct socket *)$file->private_data)->sk;
  $left = (int64)args->ret;
  if ($left < 0) { $left = 1; }
  $message = @messages[tid];
  $turn = (uint64)0;
  while ($turn < MAX_MESSAGES) {
    if ($left <= 0) { break; }
    $name = *uptr((uint64 *)$message);
    if ($name != 0) {
      printf("N %llu %llu %d %d %rx %u %rx", nsecs, @session[tid] / 2, pid, args->ret, buf(uptr($name), 28),
             $own->__sk_common.skc_rcv_saddr, buf($own->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8, 16));
    }
    $message += sizeof(struct mmsghdr);
    $left -= 1;
    $turn += 1;
  }
  delete(@messages[tid]); delete(@socket[tid]);
}
interval:ms:100 { printf("T %llu", nsecs); }
profile:s:1 { printf("P"); }
END { clear(@session); clear(@at); clear(@flags); clear(@socket); clear(@messages); MORE }
"""

# Numbers of operations: connect 16, sendmsg 9, send 26, their kin without copying 48 and 47; openat 18, openat2 28.
# A ring may have a thread of its own that submits for it, of whose fork the kernel does not tell.
_RINGS = """
tracepoint:io_uring:io_uring_create /@session[tid]/ {
  if (args->flags & 2) { @session[((struct io_ring_ctx *)args->ctx)->sq_data->thread->pid] = @session[tid]; }
}
tracepoint:io_uring:io_uring_submit_req /@session[tid]/ {
  $now = nsecs;
  if ((args->opcode == 18 || args->opcode == 28) && (@session[tid] & 1)) {
    $open = (struct io_open *)args->req;
    @asked[(uint64)args->req] = $now;
    printf("O %llu %llu %d %llu %llu %s", $now, @session[tid] / 2, pid, (uint64)args->req, $open->how.flags,
           str($open->filename->name));
  }
  if (args->opcode == 16) {
    @asked[(uint64)args->req] = $now;
    $connect = (struct io_connect *)args->req;
    printf("M %llu %llu %d %llu %rx", $now, @session[tid] / 2, pid, (uint64)args->req,
           buf(uptr((uint64)$connect->addr), 28));
  }
  if (args->opcode == 9 || args->opcode == 26 || args->opcode == 47 || args->opcode == 48) {
    $message = (struct io_async_msghdr *)((struct io_kiocb *)args->req)->async_data;
    if ((uint64)$message->msg.msg_name != 0) {
      @asked[(uint64)args->req] = $now;
      printf("M %llu %llu %d %llu %rx", $now, @session[tid] / 2, pid, (uint64)args->req,
             buf(kptr((uint64)$message->msg.msg_name), 28));
    }
  }
}
tracepoint:io_uring:io_uring_complete /@asked[(uint64)args->req]/ {
  printf("Z %llu %llu %d", @asked[(uint64)args->req], (uint64)args->req, args->res);
  delete(@asked[(uint64)args->req]);
}
"""


def program_for(root: str, *, with_rings: bool) -> str:
    """For sessions whose cgroups lie right below `root`, a path inside the cgroup file system.

    `with_rings`: also what they do through io_uring, where the kernel describes its requests as is known here.
    """
    words = {
        "ROOT_SIZE": str(len(root) + 1),
        "DISK_SIZE": str(len(root) + 1 + len(DISK_PREFIX)),
        "LEVEL": str(root.count("/") + 1),
        "PIECES": str(ARGUMENT_PIECES),
        "MAX_MESSAGES": str(MAX_MESSAGES),
        "MORE": "clear(@asked);" if with_rings else "",
        "ROOT": root,
    }
    text = _PROGRAM + _RINGS if with_rings else _PROGRAM
    for word, value in words.items():
        text = text.replace(word, value)
    return text
