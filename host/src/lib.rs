//! The host end of USB in user space: devices, interfaces, endpoints as queues
