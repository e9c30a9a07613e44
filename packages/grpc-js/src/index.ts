export { type RegisterOptions, register } from "./register.ts";
