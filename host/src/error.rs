//! One error for each question a caller asks.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use usbfs2_protocol::descriptor::DescriptorError;
use usbfs2_protocol::{Direction, EndpointAddress, InvalidEndpointAddress, TransferType};

use crate::{DeviceId, TransferError};

/// Why no way to reach devices could be chosen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostError {
    /// Neither usbfs2 nor usbfs is there.
    #[error(
        "this machine offers no USB to user space: load the module and mount usbfs2 \
         (modprobe usbfs2; mount -t usbfs2 usbfs2 /dev/usbfs2), or mount devtmpfs so that \
         /dev/bus/usb exists; Host::on(&bus) needs neither"
    )]
    NoUsb,
    /// The directory is no usbfs2 mount.
    #[error("{} is not a usbfs2 mount: mount -t usbfs2 usbfs2 {}", .0.display(), .0.display())]
    NotUsbfs2(PathBuf),
    /// /dev/bus/usb is missing.
    #[error("/dev/bus/usb is missing: mount devtmpfs on /dev and load the usbcore module")]
    NoUsbfs,
    /// The system refused something.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

/// Why devices could not be listed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListError {
    /// The directory or sysfs could not be read.
    #[error("cannot list devices in {}: {source}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

/// Why devices cannot be watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The source of events could not be opened or read.
    #[error("cannot watch for devices through {source_name}: {source}")]
    Io {
        /// The file or socket.
        source_name: String,
        /// The refusal.
        source: io::Error,
    },
    /// An event came and the list could not be read.
    #[error(transparent)]
    List(#[from] ListError),
}

/// Why a device could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No such device, or it left.
    #[error("no device {0}: Host::devices lists those present")]
    NotFound(DeviceId),
    /// The device's files refuse this user: the device's, and on usbfs2 those of each interface.
    #[error(
        "no permission to open {}: chown or chmod it; on usbfs2, chown the device's directory or that \
         of one interface (1.0), or mount with uid=, gid= or mode=",
        .0.display()
    )]
    PermissionDenied(PathBuf),
    /// The device did not answer the requests that describe it.
    #[error("device {id} does not answer: {reason}")]
    Unresponsive {
        /// The device.
        id: DeviceId,
        /// The request that failed, and how.
        reason: String,
    },
    /// The system refused something.
    #[error("cannot open {}: {source}", path.display())]
    Io {
        /// What was opened.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

/// Why there is no active configuration, or why it cannot be changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The device is in the address state (USB 2.0 9.1.1.4).
    #[error("the device is not configured: set_configuration first")]
    NotConfigured,
    /// The device has no configuration of this value.
    #[error("the device has no configuration {0}")]
    NotFound(u8),
    /// The descriptors of a configuration are wrong.
    #[error("the configuration cannot be used, since its descriptors are wrong: {0}")]
    Descriptor(#[source] DescriptorError),
    /// An interface is claimed, here or elsewhere.
    #[error("an interface of the device is claimed: drop every Interface and Endpoint first")]
    Busy,
    /// The device is gone.
    #[error("the device is disconnected")]
    Disconnected,
    /// The device refused.
    #[error("the device refused the configuration: {0}")]
    Refused(TransferError),
    /// The system refused.
    #[error("cannot read or change the configuration: {0}")]
    Io(#[source] io::Error),
}

/// Why a device could not be reset.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// A kernel driver or another program uses an interface of the device.
    #[error(
        "an interface of the device is in use by a kernel driver or another program: claim each interface first"
    )]
    Busy,
    /// This program has claimed an interface, and over usbfs the kernel would take it away.
    #[error(
        "over usbfs a reset takes every interface away: drop each Interface and Endpoint of the device first, and claim \
         again after it"
    )]
    Claimed,
    /// The device's files refuse this user.
    #[error("no permission to reset the device: {path} must be writable", path = .0.display())]
    PermissionDenied(PathBuf),
    /// The device is gone, or came back as another one.
    #[error("the device is disconnected, or came back as another: look for it again")]
    Disconnected,
    /// The device did not come back as it was.
    #[error("the device could not be reset: {0}")]
    Failed(TransferError),
    /// The system refused.
    #[error("cannot reset the device: {0}")]
    Io(#[source] io::Error),
}

/// Why an interface could not be claimed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The active configuration has no such interface.
    #[error("no interface {number} in the active configuration, which has {existing}")]
    NotFound {
        /// The number asked for.
        number: u8,
        /// The numbers there are.
        existing: String,
    },
    /// Somebody else has it.
    #[error("interface {0} is claimed by another program: wait until it is given back")]
    Busy(u8),
    /// The device's files refuse this user.
    #[error("no permission to claim interface {number}: {path} must be writable", path = path.display())]
    PermissionDenied {
        /// The interface.
        number: u8,
        /// The file.
        path: PathBuf,
    },
    /// There is no usable active configuration.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The device is gone.
    #[error("the device is disconnected")]
    Disconnected,
    /// The system refused.
    #[error("cannot claim interface {number}: {source}")]
    Io {
        /// The interface.
        number: u8,
        /// The refusal.
        source: io::Error,
    },
}

/// Why an alternate setting could not be read or selected.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AlternateSettingError {
    /// The interface has no such setting.
    #[error("no alternate setting {number}: the interface has {existing}")]
    NotFound {
        /// The number asked for.
        number: u8,
        /// The numbers there are.
        existing: String,
    },
    /// Endpoints of the present setting are open.
    #[error("endpoints of the present setting are open: drop these first: {0}")]
    EndpointsOpen(String),
    /// The interface was made of files, and `alternate` is none of them.
    #[error(
        "an interface made of open files stays in its alternate setting: select it before they are opened"
    )]
    NotGiven,
    /// The device is gone.
    #[error("the device is disconnected")]
    Disconnected,
    /// The device refused.
    #[error("the device refused the alternate setting: {0}")]
    Refused(TransferError),
    /// The system refused.
    #[error("cannot read or change the alternate setting: {0}")]
    Io(#[source] io::Error),
}

/// Why an endpoint could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The byte is no endpoint address.
    #[error(transparent)]
    InvalidAddress(#[from] InvalidEndpointAddress),
    /// The present alternate setting does not have it.
    #[error(
        "no endpoint {address} in alternate setting {alternate_setting} of interface {interface}, \
         which has {existing}"
    )]
    NotFound {
        /// The address asked for.
        address: EndpointAddress,
        /// The interface.
        interface: u8,
        /// Its alternate setting.
        alternate_setting: u8,
        /// The endpoints there are.
        existing: String,
    },
    /// The address and the type parameter disagree.
    #[error("endpoint {address} is {actual}, not {asked}: the interface has {existing}")]
    WrongDirection {
        /// The address asked for.
        address: EndpointAddress,
        /// What its top bit says.
        actual: Direction,
        /// What the type parameter says.
        asked: Direction,
        /// The endpoints there are.
        existing: String,
    },
    /// The descriptor and the type parameter disagree.
    #[error("endpoint {address} is {actual}, not {asked}: the interface has {existing}")]
    WrongTransferType {
        /// The address asked for.
        address: EndpointAddress,
        /// What its descriptor says.
        actual: TransferType,
        /// What the type parameter says.
        asked: TransferType,
        /// The endpoints there are.
        existing: String,
    },
    /// The endpoint's packets have no room (wMaxPacketSize 0, USB 2.0 9.6.6): nothing moves through it in this
    /// alternate setting.
    #[error(
        "endpoint {0} has packets of 0 bytes in this alternate setting: select one where it has more"
    )]
    NoPackets(EndpointAddress),
    /// This way to reach devices has no isochronous transfers.
    #[error("endpoint {address} is isochronous, and {reason}")]
    NoIsochronous {
        /// The endpoint.
        address: EndpointAddress,
        /// What is missing, and what has it.
        reason: &'static str,
    },
    /// The interface was made of files, and the endpoint's is none of them.
    #[error("the file of endpoint {0} is not among those this interface was made of")]
    NotGiven(EndpointAddress),
    /// A data endpoint has one opener.
    #[error("endpoint {0} is already open: drop the other Endpoint, or wait for its program")]
    Busy(EndpointAddress),
    /// The endpoint's file refuses this user.
    #[error("no permission to open {}: chown or chmod it", .0.display())]
    PermissionDenied(PathBuf),
    /// The device is gone.
    #[error("the device is disconnected")]
    Disconnected,
    /// The system refused.
    #[error("cannot open endpoint {address}: {source}")]
    Io {
        /// The endpoint.
        address: EndpointAddress,
        /// The refusal.
        source: io::Error,
    },
}

/// Why a string descriptor could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StringError {
    /// Index 0 lists languages; a descriptor that names it has no string (USB 2.0 9.6.7).
    #[error("string index 0 stands for no string (USB 2.0 9.6.7)")]
    NoString,
    /// The device lists no language.
    #[error("the device lists no language, so it has no strings (USB 2.0 9.6.7)")]
    NoLanguage,
    /// The request failed.
    #[error("cannot read the string: {0}")]
    Transfer(#[from] TransferError),
    /// The answer is no string descriptor.
    #[error("the device answered with a wrong string descriptor: {0}")]
    Descriptor(#[from] DescriptorError),
}

/// Why the BOS descriptor could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BosError {
    /// The device descriptor says USB 2.0 or before, or is wrong.
    #[error("the device has no BOS descriptor, which came with USB 2.1")]
    None,
    /// The request failed.
    #[error("cannot read the BOS descriptor: {0}")]
    Transfer(#[from] TransferError),
    /// The answer is no BOS descriptor.
    #[error("the device answered with a wrong BOS descriptor: {0}")]
    Descriptor(#[from] DescriptorError),
}
