// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Whose calls are recorded. */
enum target_state {
	TARGET_RECORDED = 1,
	TARGET_UNTIL_EXEC = 2, /* a command not yet started: its first execve turns it into the above */
};

/*
 * Numbers that differ from one recording to the next. They are not compiled in, so that a compiled program serves many:
 * an instruction says which of them it needs, and user space puts the number there when it loads the program.
 */
enum constant {
	CONSTANT_SELF, /* the recorder, whose calls are never recorded */
	CONSTANT_TGID,
	CONSTANT_UID,
	CONSTANT_NAME, /* as two little-endian words */
	CONSTANT_NAME_REST,
	CONSTANT_HELPER, /* processes of the recorder's that work while it records */
	CONSTANT_OTHER_HELPER,
	CONSTANT_STACK_NS, /* how long a thread is off its CPU for its kernel stack to be kept, ns */
};

#define CONSTANT 15 /* no kind of load that the kernel knows */
#define constant(which) bpf_pseudo_fd(CONSTANT, which)

#ifdef ONLY_TGID
BPF_ARRAY(only_has_ended, u32, 1);
#endif
#if defined(BY_TGID) || defined(FOLLOW)
BPF_HASH(tgids, u32, u32, MAX_THREADS);
#endif
#ifdef BY_TID
BPF_HASH(tids, u32, u32, MAX_THREADS);
#endif
#ifdef BY_NAME
BPF_HASH(named_tgids, u32, u32, MAX_THREADS);
#endif

#ifdef BY_CGROUP
BPF_CGROUP_ARRAY(cgroups, 1);
#endif

#ifdef BY_NAME
/* A process is chosen by the name of its main thread, a single thread by its own. */
static __always_inline int has_name(u32 tgid, u32 tid)
{
	u64 comm[2] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	if (comm[0] == constant(CONSTANT_NAME) && comm[1] == constant(CONSTANT_NAME_REST))
		return 1;
	return tgid != tid && named_tgids.lookup(&tgid);
}

/* The same, and remembers of a main thread which it is. */
static __always_inline int named(u32 tgid, u32 tid)
{
	u32 yes = 1;
	int same = has_name(tgid, tid);

	if (tgid != tid)
		return same;
	if (!same)
		named_tgids.delete(&tgid);
	else if (named_tgids.update(&tgid, &yes))
		count(LOST_THREADS);
	return same;
}
#endif

/* Whether the current thread passes the filters that it can come to pass, or fail to pass, at any time, but for names. */
static __always_inline int in_scope(u32 tgid)
{
	if (tgid == (u32)constant(CONSTANT_SELF) || tgid == (u32)constant(CONSTANT_HELPER) ||
	    tgid == (u32)constant(CONSTANT_OTHER_HELPER))
		return 0;
#ifdef BY_UID
	if ((u32)bpf_get_current_uid_gid() != (u32)constant(CONSTANT_UID))
		return 0;
#endif
#ifdef BY_CGROUP
	if (cgroups.check_current_task(0) != 1)
		return 0;
#endif
	return 1;
}

/* The same, with names. */
static __always_inline int passes(u32 tgid, u32 tid)
{
	if (!in_scope(tgid))
		return 0;
#ifdef BY_NAME
	if (!named(tgid, tid))
		return 0;
#endif
	return 1;
}

/* Whether the process `tgid` may have recorded calls. */
static __always_inline int may_be_recorded(u32 tgid)
{
#ifdef ONLY_TGID
	return tgid == (u32)constant(CONSTANT_TGID);
#elif (defined(BY_TGID) || defined(FOLLOW)) && !defined(BY_TID)
	u32 *target = tgids.lookup(&tgid);

	return target && *target == TARGET_RECORDED;
#else
	return 1;
#endif
}

/* The process `tgid` has ended: its id may be used again. */
static __always_inline void forget_process(u32 tgid)
{
#ifdef ONLY_TGID
	u32 zero = 0;
	u32 yes = 1;

	if (tgid == (u32)constant(CONSTANT_TGID))
		only_has_ended.update(&zero, &yes);
#endif
#if defined(BY_TGID) || defined(FOLLOW)
	tgids.delete(&tgid);
#endif
}

/* Whether the current thread is among those that are recorded. */
static __always_inline int already_targeted(u32 tgid, u32 tid)
{
#if defined(BY_TGID) || defined(FOLLOW)
	{
		u32 *target = tgids.lookup(&tgid);

		if (target && *target == TARGET_RECORDED)
			return 1;
	}
#endif
#ifdef BY_TID
	if (tids.lookup(&tid))
		return 1;
#endif
#ifdef ONLY_TGID
	{
		u32 zero = 0;
		u32 *ended = only_has_ended.lookup(&zero);

		return !ended || !*ended;
	}
#elif defined(BY_TGID) || defined(FOLLOW) || defined(BY_TID)
	return 0;
#else
	return 1;
#endif
}

/* Whether the current thread is among those to be recorded: once it is, it stays so to its end. */
static __always_inline int targeted(u32 tgid, u32 tid, const struct call_plan *plan)
{
#if defined(BY_TGID) || defined(FOLLOW)
	if (plan->flags & PLAN_EXEC) {
		u32 *target = tgids.lookup(&tgid);

		if (target && *target == TARGET_UNTIL_EXEC)
			*target = TARGET_RECORDED;
	}
#endif
	return already_targeted(tgid, tid);
}
