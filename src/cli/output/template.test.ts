import { expect, test } from 'vitest';
import { compileTemplate } from './template.ts';

const data = {
  Id: 'abc',
  State: { Running: true, ExitCode: 0, Health: null },
  Config: { Labels: { 'com.x': 'y', a: 'b' }, Env: ['A=1', 'B=2'], Entrypoint: null },
  NetworkSettings: {
    Networks: { net1: { IPAddress: '10.0.0.2' }, net2: { IPAddress: '10.1.0.2' } },
    Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '90/udp': null },
  },
  Label: (key: string) => `label ${key}`,
};

/** Expected texts are what docker 28 prints for the same data and template. */
test.each([
  ['{{.Id}}', 'abc'],
  ['{{ .State.Running }}', 'true'],
  ['{{.Config.Env}}', '[A=1 B=2]'],
  ['{{.Config.Labels}}', 'map[a:b com.x:y]'],
  ['{{.Config.Entrypoint}}', '<no value>'],
  ['{{json .Config.Env}}', '["A=1","B=2"]'],
  ['{{json .State}}', '{"Running":true,"ExitCode":0,"Health":null}'],
  ['{{.Config.Env | json}}', '["A=1","B=2"]'],
  ['{{join .Config.Env ", "}}', 'A=1, B=2'],
  ['{{index .Config.Labels "com.x"}}', 'y'],
  ['{{index .Config.Labels "none"}}', ''],
  ['{{index .Config.Env 1}}', 'B=2'],
  ['{{.Config.Labels.none}}|', '<no value>|'],
  ['{{with .Config}}{{with .Labels}}{{.none}} {{.a}}{{end}}{{end}}', '<no value> b'],
  ['{{.NetworkSettings.Networks.none.IPAddress}}|', '<no value>|'],
  ['{{if .Config.Labels.none}}y{{else}}n{{end}}', 'n'],
  ['{{json .Config.Labels.none}}', 'null'],
  ['{{len .Config.Env}}', '2'],
  ['{{range .Config.Env}}<{{.}}>{{end}}', '<A=1><B=2>'],
  ['{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}', '10.0.0.2 10.1.0.2 '],
  [
    '{{range $name, $net := .NetworkSettings.Networks}}{{$name}}={{$net.IPAddress}};{{end}}',
    'net1=10.0.0.2;net2=10.1.0.2;',
  ],
  ['{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', '8080'],
  [
    '{{range $p, $c := .NetworkSettings.Ports}}{{if $c}}{{$p}}->{{(index $c 0).HostPort}}{{else}}{{$p}}{{end}} {{end}}',
    '80/tcp->8080 90/udp ',
  ],
  ['{{range .Config.Entrypoint}}x{{else}}none{{end}}', 'none'],
  ['{{if eq .State.ExitCode 0}}ok{{end}}', 'ok'],
  ['{{if and .State.Running (ne .Id "x")}}up{{else}}down{{end}}', 'up'],
  ['{{if .State.Health}}h{{else if .State.Running}}r{{else}}n{{end}}', 'r'],
  ['{{with .State}}{{.ExitCode}}{{end}}', '0'],
  ['{{with $x := .State}}{{$x.ExitCode}}{{$.Id}}{{end}}', '0abc'],
  ['{{upper .Id}} {{lower "AB"}} {{title "ab"}} {{truncate .Id 2}} {{pad .Id 1 2}}|', 'ABC ab Ab ab  abc  |'],
  ['{{println .Id}}', 'abc\n'],
  ['{{.Label "a"}}', 'label a'],
  ['a {{- /* note */ -}} b', 'ab'],
  ['{{"}}"}}', '}}'],
  ['{{`raw`}}', 'raw'],
])('renders %s', (source, text) => {
  expect(compileTemplate(source).render(data)).toBe(text);
});

test.each([
  ['{{.Id', 'unclosed action'],
  ['{{range .Id}}', 'unexpected EOF'],
  ['{{end}}', 'unexpected {{end}}'],
  ['{{nope .Id}}', 'function "nope" not defined'],
  ['{{}}', 'missing value for command'],
  ['{{.Id ? }}', 'unexpected "?"'],
])('refuses %s', (source, reason) => {
  expect(() => compileTemplate(source).render(data)).toThrow(reason);
});

test('names a field that is missing, and those that are there', () => {
  const render = () => compileTemplate('{{.State.Nope}}').render(data);
  expect(render).toThrow('map has no entry for key "Nope"');
  expect(render).toThrow(expect.objectContaining({ hint: 'There are Running, ExitCode, Health' }));
});
