import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { lastActivity, touch, watchActivity } from "./activity";
import { ApiError, call, setBearer, setRefresh } from "./api/call";
import type { SessionGranted } from "./api/types";

/** Why nobody is logged in: nobody was, they left, the session ended, or nothing happened for too long. */
export type Reason = "none" | "left" | "ended" | "idle";

/** Whether somebody is logged in here: not known yet (or not to be found out), nobody, or a person until a time. */
export type SessionState =
  | { kind: "unknown"; problem: unknown }
  | { kind: "out"; reason: Reason }
  | {
      kind: "in";
      username: string;
      expires: number;
      idleTimeout: number;
      renewAt: number;
      assumed: Assumed;
    };

/** Access requests that the session acts with, and when it does no more. */
export interface Assumed {
  requests: string[];
  ends: number;
}

/** The coming end of the session, when it is near enough to say so. */
export interface Ending {
  kind: "session" | "idle";
  at: number;
}

interface Session {
  state: SessionState;
  ending: Ending | null;
  enter: (granted: SessionGranted) => void;
  leave: (reason?: Reason) => Promise<void>;
  retry: () => void;
  /** Takes approved access requests on, and drops others, in all pages of this browser. */
  assume: (taken: string[], dropped: string[]) => Promise<void>;
}

const Context = createContext<Session | null>(null);
/** Says, to the pages of this browser only, that there is a session; it is no secret. */
const MARK = "session";
const AWAY = "away";
const TICK = 1_000;
const WARN_END = 5 * 60_000;
const WARN_IDLE = 60_000;
const RETRY = 15_000;

/** The browser leaves for a provider: there may be a session when it comes back, and if there is none, none ended. */
export function leaveForProvider(): void {
  touch();
  window.localStorage.setItem(MARK, AWAY);
}

export function useSession(): Session {
  const session = useContext(Context);
  if (session === null) throw new Error("useSession outside of SessionProvider");
  return session;
}

function stateOf(granted: SessionGranted): SessionState {
  const beforeEnd = Math.max(20, granted.expires_in - 60) * 1000;
  const idle = granted.sessionInactiveTimeout;
  return {
    kind: "in",
    username: granted.username,
    expires: Date.parse(granted.sessionExpires),
    idleTimeout: idle,
    renewAt: Date.now() + (idle > 0 ? Math.min(beforeEnd, idle / 2) : beforeEnd),
    assumed: {
      requests: granted.accessRequests ?? [],
      ends: granted.accessEnds ? Date.parse(granted.accessEnds) : Number.POSITIVE_INFINITY,
    },
  };
}

/** What is near: the end of the session, or of patience with a silent page. */
function endingOf(state: SessionState, now: number): Ending | null {
  if (state.kind !== "in") return null;
  const idleEnd = state.idleTimeout > 0 ? lastActivity() + state.idleTimeout : Number.POSITIVE_INFINITY;
  if (idleEnd - now <= Math.min(WARN_IDLE, state.idleTimeout / 2)) return { kind: "idle", at: idleEnd };
  return state.expires - now <= WARN_END ? { kind: "session", at: state.expires } : null;
}

/** Finds the session of the cookie at start, keeps it while the person is there, and ends it with them. */
export function SessionProvider({ children }: { children: ReactNode }) {
  const hadSession = useRef(window.localStorage.getItem(MARK) !== null);
  const [state, setState] = useState<SessionState>(
    hadSession.current ? { kind: "unknown", problem: null } : { kind: "out", reason: "none" },
  );
  const [ending, setEnding] = useState<Ending | null>(null);
  const pages = useRef<BroadcastChannel | null>(null);
  const renewing = useRef<Promise<boolean> | null>(null);

  const take = useCallback((granted: SessionGranted) => {
    setBearer(granted.token);
    setState(stateOf(granted));
  }, []);

  const enter = useCallback(
    (granted: SessionGranted) => {
      touch();
      window.localStorage.setItem(MARK, "1");
      take(granted);
      pages.current?.postMessage(granted);
    },
    [take],
  );

  const drop = useCallback((reason: Reason) => {
    setBearer("");
    setEnding(null);
    setState({ kind: "out", reason });
  }, []);

  const leave = useCallback(
    async (reason: Reason = "left") => {
      window.localStorage.removeItem(MARK);
      pages.current?.postMessage(reason);
      try {
        await call("DELETE", "/webapi/sessions");
      } catch {
        // the proxy takes the cookie away whatever auth says; a session that cannot be told ends by itself
      } finally {
        drop(reason);
      }
    },
    [drop],
  );

  /** A fresh bearer token, asked for once however many wait. False: the session is gone. */
  const renew = useCallback((): Promise<boolean> => {
    renewing.current ??= call<SessionGranted>("POST", "/webapi/sessions/web/renew")
      .then((granted) => {
        window.localStorage.setItem(MARK, "1");
        take(granted);
        pages.current?.postMessage(granted);
        return true;
      })
      .catch((problem: unknown) => {
        const isOver = problem instanceof ApiError && (problem.isSessionRefused || problem.status === 403);
        if (!isOver) throw problem;
        const wasAway = window.localStorage.getItem(MARK) === AWAY;
        window.localStorage.removeItem(MARK);
        drop(wasAway ? "none" : "ended");
        return false;
      })
      .finally(() => {
        renewing.current = null;
      });
    return renewing.current;
  }, [take, drop]);

  const assume = useCallback(
    async (taken: string[], dropped: string[]) => {
      const wanted = { access_requests: taken, drop_access_requests: dropped };
      await call("POST", "/v1/websessions/access", wanted);
      await renewing.current?.catch(() => undefined); // one that was asked for before tells what was before
      await renew();
    },
    [renew],
  );

  const retry = useCallback(() => {
    setState({ kind: "unknown", problem: null });
    renew().catch((problem: unknown) => setState({ kind: "unknown", problem }));
  }, [renew]);

  useEffect(() => {
    if (hadSession.current) retry();
  }, [retry]);

  useEffect(() => {
    setRefresh(renew);
    return () => setRefresh(null);
  }, [renew]);

  useEffect(() => {
    if (typeof BroadcastChannel === "undefined") return;
    const channel = new BroadcastChannel("session");
    pages.current = channel;
    channel.onmessage = ({ data }: MessageEvent<SessionGranted | Reason>) =>
      typeof data === "string" ? drop(data) : take(data);
    return () => {
      pages.current = null;
      channel.close();
    };
  }, [take, drop]);

  useEffect(() => {
    if (state.kind !== "in") return;
    const unwatch = watchActivity();
    const { ends } = state.assumed;
    // a clock that is ahead of the cluster's does not make it ask without a pause
    let endsAt = ends > Date.now() ? ends : Date.now() + RETRY;
    let renewAt = state.renewAt;
    const timer = window.setInterval(() => {
      const now = Date.now();
      const isIdle = state.idleTimeout > 0 && now - lastActivity() >= state.idleTimeout;
      if (isIdle || now >= state.expires) {
        window.clearInterval(timer);
        return void leave(isIdle ? "idle" : "ended");
      }
      const isUsed = state.idleTimeout === 0 || lastActivity() >= renewAt - state.idleTimeout / 2;
      const hasAccessEnded = now >= endsAt;
      if (hasAccessEnded || (now >= renewAt && isUsed)) {
        if (hasAccessEnded) endsAt = now + RETRY;
        renewAt = now + RETRY;
        renew().catch(() => undefined); // away for a moment: asked again soon
      }
      const near = endingOf(state, now);
      setEnding((old) => (old?.kind === near?.kind && old?.at === near?.at ? old : near));
    }, TICK);
    return () => {
      window.clearInterval(timer);
      unwatch();
    };
  }, [state, renew, leave]);

  const session = useMemo(
    () => ({ state, ending, enter, leave, retry, assume }),
    [state, ending, enter, leave, retry, assume],
  );
  return <Context value={session}>{children}</Context>;
}
