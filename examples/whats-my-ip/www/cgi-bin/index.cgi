#!/bin/sh
# Answers every request for / with who and where this pod is. POD_IP comes from the pod's manifest.
printf 'Content-Type: text/plain\r\n\r\n'
echo "HOSTNAME:$(hostname) IP:$POD_IP"
