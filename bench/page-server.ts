// page-server PORT: answers every request with the same small page; started in a container's network namespace.
import { createServer } from 'node:http';

const page = Buffer.alloc(128, 'x');
const server = createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': page.length });
  response.end(page);
});
server.listen(Number(process.argv[2]), () => console.log('listening'));
