// Exits with 0 when Docker Hub answers within three seconds.
const answer = await fetch('https://registry-1.docker.io/v2/', { signal: AbortSignal.timeout(3000) }).catch(
  () => undefined,
);
// Hub asks for a token (401) or lets in (200); a proxy that forbids the way says anything else.
process.exitCode = answer?.status === 401 || answer?.status === 200 ? 0 : 1;
