export { type ListenAddress, serve } from './server.ts';
export { API_VERSION, MIN_API_VERSION } from './versions.ts';
