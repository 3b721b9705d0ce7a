"""Plugins of OpenVoiceOS, whose plugin manager finds them by entry points (extra ``[ovos]``).

Nothing else imports this folder. The classes stand on the templates of ``ovos-plugin-manager`` 2.
"""
