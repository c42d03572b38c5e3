//! The device end of USB in user space: gadgets made of functions
