import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { call, setBearer } from "./api/call";
import type { SessionGranted } from "./api/types";

/** Whether somebody is logged in here: not asked yet, nobody, or a person until a time. */
export type SessionState =
  | { kind: "unknown" }
  | { kind: "out" }
  | { kind: "in"; username: string; expires: Date };

interface Session {
  state: SessionState;
  enter: (granted: SessionGranted) => void;
  leave: () => Promise<void>;
}

const Context = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(Context);
  if (session === null) throw new Error("useSession outside of SessionProvider");
  return session;
}

/** Finds the session of the cookie at start, and renews the bearer token while the page is in use. */
export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<SessionState>({ kind: "unknown" });
  const [renewIn, setRenewIn] = useState(0);

  const enter = useCallback((granted: SessionGranted) => {
    setBearer(granted.token);
    setState({ kind: "in", username: granted.username, expires: new Date(granted.sessionExpires) });
    setRenewIn(Math.max(30, granted.expires_in - 60));
  }, []);

  const renew = useCallback(async () => {
    try {
      enter(await call<SessionGranted>("POST", "/webapi/sessions/web/renew"));
    } catch {
      setBearer("");
      setState({ kind: "out" });
    }
  }, [enter]);

  const leave = useCallback(async () => {
    try {
      await call("DELETE", "/webapi/sessions");
    } finally {
      setBearer("");
      setState({ kind: "out" });
    }
  }, []);

  useEffect(() => {
    void renew();
  }, [renew]);

  useEffect(() => {
    if (state.kind !== "in" || renewIn === 0) return;
    const timer = window.setTimeout(() => void renew(), renewIn * 1000);
    return () => window.clearTimeout(timer);
  }, [state, renewIn, renew]);

  const session = useMemo(() => ({ state, enter, leave }), [state, enter, leave]);
  return <Context value={session}>{children}</Context>;
}
