import { lazy, Suspense } from "react";
import { Navigate, Route, Routes, useLocation } from "react-router";
import { AccessLists } from "./pages/AccessLists";
import { Account } from "./pages/Account";
import { Away } from "./pages/Away";
import { Headless } from "./pages/Headless";
import { Login } from "./pages/Login";
import { NotFound } from "./pages/NotFound";
import { OneAccessList } from "./pages/OneAccessList";
import { Recover } from "./pages/Recover";
import { Requests } from "./pages/Requests";
import { Servers } from "./pages/Servers";
import { SignUp } from "./pages/SignUp";
import { Frame } from "./parts/Frame";
import { Waiting } from "./parts/Waiting";
import { useSession } from "./session";

/** The terminal is large, and loaded when the first one opens. */
const Terminal = lazy(() => import("./pages/Terminal"));

export function App() {
  return (
    <Routes>
      <Route path="/login" element={<Login />} />
      <Route path="/recover" element={<Recover />} />
      <Route path="/invite/:token" element={<SignUp />} />
      <Route path="/reset/:token" element={<SignUp />} />
      <Route element={<Guarded />}>
        <Route index element={<Navigate to="/servers" replace />} />
        <Route path="/servers" element={<Servers />} />
        <Route path="/requests" element={<Requests />} />
        <Route path="/lists" element={<AccessLists />} />
        <Route path="/lists/:name" element={<OneAccessList />} />
        <Route path="/account" element={<Account />} />
        <Route
          path="/terminal/:server/:login"
          element={
            <Suspense fallback={<Waiting />}>
              <Terminal />
            </Suspense>
          }
        />
        <Route path="/headless/:id" element={<Headless />} />
        <Route path="*" element={<NotFound />} />
      </Route>
    </Routes>
  );
}

/** Pages that need a session: without one they lead to the login, which leads back here unless they chose to leave. */
function Guarded() {
  const { state, retry } = useSession();
  const { pathname, search } = useLocation();
  if (state.kind === "unknown") {
    return state.problem === null ? <Waiting /> : <Away error={state.problem} retry={retry} />;
  }
  if (state.kind === "out") {
    const next = state.reason === "left" ? "" : `?next=${encodeURIComponent(pathname + search)}`;
    return <Navigate to={`/login${next}`} replace />;
  }
  return <Frame />;
}
