import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { App } from "./App";
import { Broken } from "./parts/Broken";
import { SessionProvider } from "./session";
import { applyTheme } from "./theme";
import "./styles.css";

applyTheme();
const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no root element");
createRoot(root).render(
  <StrictMode>
    <Broken>
      <BrowserRouter basename="/web">
        <SessionProvider>
          <App />
        </SessionProvider>
      </BrowserRouter>
    </Broken>
  </StrictMode>,
);
