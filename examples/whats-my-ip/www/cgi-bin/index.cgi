#!/bin/sh
# Answers every request for / with who and where this pod is. POD_IP comes from the pod's manifest.
echo "Content-Type: text/plain"
echo
echo "HOSTNAME:$(hostname) IP:$POD_IP"
