//! An in-process USB bus with a host port and device ports
