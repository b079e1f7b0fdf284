// The page of one trace, whose model is in it.

import { drawPage, setUp } from "./page.js";

setUp();
drawPage(JSON.parse(document.getElementById("data").textContent));
