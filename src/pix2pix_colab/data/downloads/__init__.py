"""Downloads of data sets from the network, Google Drive or an archive, checked and unpacked."""
