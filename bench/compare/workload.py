# What every kind of isolation does in the comparison: `python3 - ADDRESS PORT`. Prints one line of JSON.
import json
import os
import socket
import sys
import time

FILE = '/var/tmp/berth-comparison'
MIB = 1 << 20


def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compute():
    total = 0
    for number in range(2_000_000):
        total += number * number % 7
    return total


def write():
    block = os.urandom(MIB)
    with open(FILE, 'wb', buffering=0) as file:
        for _ in range(64):
            file.write(block)
        os.fsync(file.fileno())


def make_files():
    os.makedirs(FILE + '.d', exist_ok=True)
    for number in range(500):
        with open(f'{FILE}.d/{number}', 'w') as file:
            file.write('berth')
    for number in range(500):
        os.remove(f'{FILE}.d/{number}')


def receive():
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    left = 64 * MIB
    while left > 0:
        left -= len(connection.recv(MIB)) or sys.exit('the connection was closed')


print(json.dumps({
    'compute': seconds(compute),
    'receive': 64 / seconds(receive),
    'write': 64 / seconds(write),
    'files': 500 / seconds(make_files),
}))
os.remove(FILE)
