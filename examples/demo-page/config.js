// Where the API is: what a build tool would take from VITE_API_URL. `?api=https://…` in the page's own
// address overrides it.
export const API_URL = "https://d0000000000000.mantlet.localhost:8443";
