//! A simulated device served over Modbus TCP, and a synthetic row source.
