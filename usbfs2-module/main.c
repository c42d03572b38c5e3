// SPDX-License-Identifier: GPL-2.0-only
/* usbfs2: module entry, the USB driver that claims, the request counter. */
#include <linux/delay.h>
#include <linux/module.h>

#include "usbfs2.h"

struct workqueue_struct *usbfs2_workqueue;
atomic_long_t usbfs2_live_requests = ATOMIC_LONG_INIT(0);

static int usbfs2_live_requests_show(char *buffer,
				     const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n",
			  atomic_long_read(&usbfs2_live_requests));
}

static const struct kernel_param_ops usbfs2_live_requests_ops = {
	.get = usbfs2_live_requests_show,
};
module_param_cb(live_requests, &usbfs2_live_requests_ops, NULL, 0444);
MODULE_PARM_DESC(live_requests, "Transfers not yet freed (read only)");

/* Claims come from opening files; nothing is ever matched to us. */
static int usbfs2_probe(struct usb_interface *intf,
			const struct usb_device_id *id)
{
	return -ENODEV;
}

struct usb_driver usbfs2_driver = {
	.name = "usbfs2",
	.probe = usbfs2_probe,
	.disconnect = usbfs2_disconnect,
	.suspend = usbfs2_suspend,
	.resume = usbfs2_resume,
	.reset_resume = usbfs2_reset_resume,
	.pre_reset = usbfs2_pre_reset,
	.post_reset = usbfs2_post_reset,
	.no_dynamic_id = 1,
	.supports_autosuspend = 1,
};

static int __init usbfs2_init(void)
{
	int ret;

	usbfs2_workqueue = alloc_workqueue("usbfs2", WQ_UNBOUND, 0);
	if (!usbfs2_workqueue)
		return -ENOMEM;
	ret = usbfs2_events_start();
	if (ret)
		goto destroy_workqueue;
	ret = usb_register(&usbfs2_driver);
	if (ret)
		goto stop_events;
	ret = usbfs2_notify_start();
	if (ret)
		goto deregister_driver;
	ret = register_filesystem(&usbfs2_fs_type);
	if (ret)
		goto stop_notify;
	return 0;

stop_notify:
	usbfs2_notify_stop();
deregister_driver:
	usb_deregister(&usbfs2_driver);
stop_events:
	usbfs2_events_stop();
destroy_workqueue:
	destroy_workqueue(usbfs2_workqueue);
	return ret;
}

static void __exit usbfs2_exit(void)
{
	unregister_filesystem(&usbfs2_fs_type);
	usbfs2_notify_stop();
	usb_deregister(&usbfs2_driver);
	/*
	 * A kiocb drops the last reference to its file, and with it to this
	 * module, from inside our completion handler: let the tails of those
	 * run out. Handlers run with interrupts or bottom halves off.
	 */
	while (atomic_long_read(&usbfs2_live_requests))
		msleep(20);
	synchronize_rcu();
	destroy_workqueue(usbfs2_workqueue);
	usbfs2_events_stop();
}

module_init(usbfs2_init);
module_exit(usbfs2_exit);

MODULE_DESCRIPTION("USB endpoints as files");
MODULE_AUTHOR("The usbfs2 developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_FS("usbfs2");
