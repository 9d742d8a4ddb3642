import { Navigate, Route, Routes } from "react-router";
import { Login } from "./pages/Login";
import { Servers } from "./pages/Servers";
import { SignUp } from "./pages/SignUp";
import { Frame } from "./parts/Frame";
import { Waiting } from "./parts/Waiting";
import { useSession } from "./session";

export function App() {
  return (
    <Routes>
      <Route path="/login" element={<Login />} />
      <Route path="/invite/:token" element={<SignUp />} />
      <Route path="/reset/:token" element={<SignUp />} />
      <Route element={<Guarded />}>
        <Route path="/servers" element={<Servers />} />
        <Route path="*" element={<Navigate to="/servers" replace />} />
      </Route>
    </Routes>
  );
}

/** Pages that need a session: without one they lead to the login, which leads back here. */
function Guarded() {
  const { state } = useSession();
  if (state.kind === "unknown") return <Waiting />;
  if (state.kind === "out") {
    const next = window.location.pathname.replace(/^\/web/, "") || "/";
    return <Navigate to={`/login?next=${encodeURIComponent(next)}`} replace />;
  }
  return <Frame />;
}
