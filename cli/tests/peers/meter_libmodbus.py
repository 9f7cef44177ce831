"""A meter served by Debian's libmodbus, which takes one client after the other.

Prints `listening PORT` on stdout once it accepts connections and exits when its stdin ends. Holding register N holds N,
input register N holds 1000 + N, every second coil and every third discrete input is on, N below 100.
"""

import ctypes
import os
import socket
import sys
import threading

FRAME = 260
ITEMS = 100


class Mapping(ctypes.Structure):
    """`modbus_mapping_t` of libmodbus 3.1."""

    _fields_ = [
        ("nb_bits", ctypes.c_int),
        ("start_bits", ctypes.c_int),
        ("nb_input_bits", ctypes.c_int),
        ("start_input_bits", ctypes.c_int),
        ("nb_input_registers", ctypes.c_int),
        ("start_input_registers", ctypes.c_int),
        ("nb_registers", ctypes.c_int),
        ("start_registers", ctypes.c_int),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    ]


def library() -> ctypes.CDLL:
    """libmodbus, with the types of what is called."""
    lib = ctypes.CDLL("libmodbus.so.5")
    lib.modbus_new_tcp.restype = ctypes.c_void_p
    lib.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    for name in ("modbus_set_socket", "modbus_receive", "modbus_reply"):
        getattr(lib, name).argtypes = None
    return lib


def main() -> None:
    """Serves until stdin ends."""
    lib = library()
    context = ctypes.c_void_p(lib.modbus_new_tcp(b"127.0.0.1", 0))
    mapping = lib.modbus_mapping_new(ITEMS, ITEMS, ITEMS, ITEMS)
    for item in range(ITEMS):
        mapping.contents.tab_bits[item] = item % 2
        mapping.contents.tab_input_bits[item] = int(item % 3 == 0)
        mapping.contents.tab_registers[item] = item
        mapping.contents.tab_input_registers[item] = 1000 + item
    listener = socket.create_server(("127.0.0.1", 0))
    print("listening", listener.getsockname()[1], flush=True)

    def end_with_stdin() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=end_with_stdin, daemon=True).start()
    query = (ctypes.c_uint8 * FRAME)()
    while True:
        client, _ = listener.accept()
        lib.modbus_set_socket(context, ctypes.c_int(client.fileno()))
        while (length := lib.modbus_receive(context, query)) >= 0:
            if length > 0:
                lib.modbus_reply(context, query, ctypes.c_int(length), mapping)
        client.close()


main()
